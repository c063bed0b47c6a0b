// Small tools for the document. Text is only ever set as text, never as HTML.

function $(id) { return document.getElementById(id); }

// An element with a class and its children, which are elements or text.
function make(name, kind, children) {
  var element = document.createElement(name);
  if (kind) { element.className = kind; }
  (children || []).forEach(function (child) {
    element.appendChild(typeof child === 'string' ? document.createTextNode(child) : child);
  });
  return element;
}

function button(text, label, press) {
  var made = make('button', '', [text]);
  made.type = 'button';
  if (label) { made.setAttribute('aria-label', label); }
  made.onclick = function () { press(made); };
  return made;
}

// Puts these elements in place of what an element holds.
function show(place, elements) {
  place.textContent = '';
  elements.forEach(function (element) { place.appendChild(element); });
}

// A note: `good`, `warn` or `bad`, its headline, and its paragraphs.
function note(kind, headline, paragraphs) {
  return make('div', 'note ' + kind, [make('h3', '', [headline])].concat(paragraphs.map(function (text) {
    return make('p', '', prose(text));
  })));
}

// A text in which `…` is what is typed.
function prose(text) {
  return text.split('`').map(function (part, index) { return index % 2 ? make('code', '', [part]) : part; });
}

// Says something to whoever cannot see the page.
function say(text) {
  $('said').textContent = '';
  setTimeout(function () { $('said').textContent = text; }, 50);
}

function copy(text, pressed) {
  var label = pressed.textContent;
  function done(worked) {
    pressed.textContent = worked ? 'Copied' : 'Select it';
    say(worked ? 'Copied.' : 'It could not be copied.');
    setTimeout(function () { pressed.textContent = label; }, 2000);
  }
  if (navigator.clipboard && window.isSecureContext) {
    navigator.clipboard.writeText(text).then(function () { done(true); }, function () { done(false); });
    return;
  }
  // Over plain HTTP there is no clipboard but this one.
  var area = make('textarea', 'heard', []);
  area.value = text;
  document.body.appendChild(area);
  area.select();
  var worked = false;
  try { worked = document.execCommand('copy'); } catch (error) { worked = false; }
  document.body.removeChild(area);
  pressed.focus();
  done(worked);
}
