// Your router: find it in the list, and what to type into it.

var chosen = null;

var FOR_CERTIFICATES = 'For certificates, if your operator allows it';

// A text as it is searched: letters and digits alone, so that `fritzbox` finds `Fritz!Box`.
function folded(text) { return text.toLowerCase().replace(/[^a-z0-9]/g, ''); }

// The recipes whose names or description have all these words.
function search(text) {
  var words = text.split(/\s+/).map(folded);
  var whole = folded(text);
  return recipes.filter(function (recipe) {
    var all = folded([recipe.title, recipe.name, recipe.also, recipe.about].join(' '));
    return all.indexOf(whole) >= 0 || words.every(function (word) { return all.indexOf(word) >= 0; });
  });
}

function showClients() {
  var text = $('search').value, found = search(text);
  var other = recipes.filter(function (recipe) { return recipe.name === 'other'; });
  $('found').textContent = found.length
    ? (found.length === recipes.length ? '' : found.length === 1 ? 'One fits.' : found.length + ' fit.')
    : 'None of that name. These fields fit most routers:';
  var entries = [], apart = false;
  (found.length ? found : other).forEach(function (recipe) {
    var pick = button('', '', function () { choose(recipe, true); });
    show(pick, [document.createTextNode(recipe.title), make('span', '', [recipe.about])]);
    // Those for certificates are the last ones.
    if (recipe.certificate && !apart) { entries.push(make('li', 'apart', [FOR_CERTIFICATES])); }
    apart = recipe.certificate;
    entries.push(make('li', '', [pick]));
  });
  show($('clients'), entries);
}

// Shows a recipe in place of the list, or the list again without one.
function choose(recipe, focus) {
  chosen = recipe;
  $('finder').hidden = !!recipe;
  showRecipe();
  if (focus) { (recipe ? $('recipe').querySelector('h3') : $('search')).focus(); }
}

function showRecipe() {
  if (!chosen) { show($('recipe'), []); return; }
  var typed = hosts(), wrong = typed.filter(noName), names = wrong.length ? [] : typed, secret = token();
  var accounts = (names.length ? names : ['home.example.org']).map(function (host) {
    return account(host, secret || 'YOUR-TOKEN', chosen);
  });
  var breaks = breaking(chosen, names), found = breaks.length ? [] : parts(fill(chosen.body, accounts));
  var said = breaks.length ? breaks : warnings(chosen, names.length ? accounts : [], found);
  var title = make('h3', '', [chosen.title]);
  title.tabIndex = -1;
  var elements = [make('div', 'title', [title, button('Choose another', '', function () { choose(null, true); })])];
  if (chosen.certificate) { elements.push(make('p', 'tag', [FOR_CERTIFICATES])); }
  elements.push(make('p', 'quiet', [chosen.about]));
  if (wrong.length) {
    elements.push(make('p', 'note warn', ['This is no host name, and is not filled in: ', make('code', '', [wrong[0]])]));
  } else if (!names.length || !secret) {
    elements.push(make('p', 'note', ['Type your host name and token above, and they are filled in here.']));
  }
  said.forEach(function (text) { elements.push(make('p', 'note warn', prose(text))); });
  var pasted = found.filter(function (part) { return part.paste; });
  found.forEach(function (part) {
    elements = elements.concat(part.paste ? [block(part.text)] : explanation(part.text));
    // What follows the last block is for those who want more.
    if (part === pasted[pasted.length - 1] && !chosen.certificate) {
      elements = elements.concat(explanation('Saved? Its own status or log says whether it worked, often by a word such as `good` or `nochg`. “Look it up” above says where your name leads.'));
    }
  });
  elements.push(make('p', 'checked', ['How this was checked: ' + chosen.checked + '.']));
  show($('recipe'), elements);
}

function explanation(text) {
  return text.split(/\n\n+/).map(function (paragraph) { return make('p', '', prose(paragraph)); });
}

// What is typed or pasted: fields if every line is a name and a value in two columns, else one text.
function block(text) {
  var fields = text.split('\n').map(function (line) { return /^([A-Z]\S*(?: \S+)*)( {2,})(\S.*)$/.exec(line); });
  var all = button('Copy', 'Copy all of it', function (pressed) { copy(text, pressed); });
  if (!fields.every(function (field) { return field; })) {
    var shown = make('pre', 'paste', [text]);
    shown.tabIndex = 0;
    shown.setAttribute('role', 'region');
    shown.setAttribute('aria-label', 'Text to paste');
    return make('div', 'block', [shown, all]);
  }
  return make('div', 'block paste', fields.map(function (field, index) {
    return row(field, index > 0 && field[1] === fields[0][1]);
  }));
}

function row(field, first) {
  var name = make('span', 'name', [field[1] + field[2]]), value = make('span', 'value', [field[3]]);
  var cells = [make('p', '', [name, value])];
  // What is chosen from a list, not typed.
  if (!/^(yes|no|\(.*\))$/.test(field[3])) {
    cells.push(button('Copy', 'Copy ' + field[1], function (pressed) { copy(field[3], pressed); }));
  }
  return make('div', first ? 'row first' : 'row', cells);
}
