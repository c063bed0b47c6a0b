// The recipes: src/cli/setup/filling.rs does the same for `nic53 setup`, and tests/browser compares
// them.

// Undoes src/page/pack.rs, which says what is what.
function unpack(packed) {
  var text = '', at = 0, first, start;
  function digit(index) { return packed.charCodeAt(index) - 61; }
  while (at < packed.length) {
    first = packed.charCodeAt(at) - 256;
    if (first < 0 || first > 511) {
      text += packed.charAt(at) === '«' ? '<' : packed.charAt(at);
      at += 1;
    } else {
      start = text.length - (first >> 6) * 4356 - digit(at + 1) * 66 - digit(at + 2);
      text += text.substr(start, (first & 63) + 5);
      at += 3;
    }
  }
  return text;
}

// A recipe as an object: what is in its head by key, its name, and its body. src/recipes/README.md has the keys.
var recipes = unpack($('recipes').textContent).split(/^=== /m).slice(1).map(function (text) {
  var found = /^(.+)\n---\n([^]+?)\n---\n([^]*)$/.exec(text);
  var recipe = { name: found[1], body: found[3], also: '', refuses: '' };
  found[2].split('\n').forEach(function (line) {
    var entry = /^(.+?): (.*\S)/.exec(line);
    recipe[entry[1]] = entry[2];
  });
  // As the command has it: a certificate for a name is one for its wildcard too.
  if (recipe.certificate) { recipe.refuses = '*'; }
  return recipe;
});

// A host with its user name and token. A user name without a dot claims nothing, for clients that cannot take the
// host's.
function account(host, token, recipe) {
  var refused = (recipe['user-refuses'] || '') + recipe.refuses;
  var fits = !(host.length > recipe.user) && !firstOf(refused, host);
  return { host: host, user: fits ? host : 'nic53', token: token };
}

// The first character of a text that is one of these.
function firstOf(these, text) {
  return text.split('').filter(function (letter) { return these.indexOf(letter) >= 0; })[0];
}

// Fills in some whole lines. `one` is the account of these lines, if they stand there once for each.
function fill(text, accounts, one) {
  var filled = '', lines = text.split('\n'), at, open, end, section;
  for (at = 0; at < lines.length - 1; at += 1) {
    open = /^\{\{#(.+)\}\}$/.exec(lines[at]);
    if (open) {
      end = lines.indexOf('{{/' + open[1] + '}}', at);
      section = lines.slice(at + 1, end).concat('').join('\n');
      at = end;
      filled += fillSection(open[1], section, accounts, one);
    } else {
      filled += fillLine(lines[at], one) + '\n';
    }
  }
  return filled;
}

// Fills in the lines of a section: for each host, or once if its word is true.
function fillSection(word, section, accounts, one) {
  if (word === 'hosts') {
    return accounts.map(function (account, index) {
      account.number = index + 1;
      return fill(section, accounts, account);
    }).join('');
  }
  var isTrue = {
    https: gateway.https, http: !gateway.https, port: !gateway.ownPort, prefix: gateway.prefix !== ''
  };
  return isTrue[word] ? fill(section, accounts, one) : '';
}

function fillLine(line, one) {
  return line.replace(/\{\{(\w+)\}\}/g, function (all, word) {
    return one && word in one ? one[word] : value(word, one);
  });
}

// What a placeholder stands for, if that is not in the account itself.
function value(word, one) {
  // The host with these texts for some of its characters, so that no two hosts become the same.
  function spelled(dot, hyphen, underscore, star, z) {
    var texts = { '.': dot, '-': hyphen, '_': underscore, '*': star, z: z };
    return one.host.replace(/[^a-y0-9]/g, function (letter) { return texts[letter]; });
  }
  switch (word) {
    case 'SCHEME': return gateway.scheme.toUpperCase();
    case 'name': return gateway.host;
    case 'path': return gateway.prefix + '/nic/update';
    case 'id': return spelled('_', '__', '___', '_all', 'z');
    case 'dashed': return spelled('-', '--', '---', '-all', 'z');
    case 'plain': return spelled('zd', 'zh', 'zu', 'za', 'zz');
    default: return gateway[word];
  }
}

// The parts of a filled recipe: `paste` is between fences, the rest explains it.
function parts(markdown) {
  var found = [], lines = [], fenced = false;
  markdown.replace(/\n$/, '').split('\n').concat('```').forEach(function (line) {
    if (line.indexOf('```') !== 0) { lines.push(line); return; }
    var text = lines.join('\n').replace(/^\n+|\n+$/g, '');
    lines = [];
    if (text) { found.push({ paste: fenced, text: text }); }
    fenced = !fenced;
  });
  return found;
}
