// Your host name: look where it leads, and point it here.

// The hosts as they were typed, one by one, and as the gateway writes them.
function hosts() {
  return $('host').value.toLowerCase().split(/[\s,;]+/).map(function (text) {
    return text.replace(/^[a-z]+:\/\//, '').replace(/[\/?#].*$/, '').replace(/\.$/, '');
  }).filter(function (host) { return host; });
}

// Whether a text cannot be a host name. A wildcard begins with `*.`.
function noName(host) { return !/^(\*\.)?[a-z0-9_.-]+$/.test(host); }

function token() { return $('token').value.replace(/^\s+|\s+$/g, ''); }

// What the words mean is in the list on this page, which the gateway made.
function meaning(code) {
  return [].map.call($('codes').querySelectorAll('[data-code]'), function (entry) {
    return {
      code: entry.getAttribute('data-code'),
      says: entry.querySelector('.says').textContent,
      advice: entry.querySelector('.advice').textContent
    };
  }).filter(function (entry) { return entry.code === code; })[0];
}

// Sends an update. With `looking` it asks to leave the addresses alone, and the reply says what they are.
function update(looking) {
  var names = hosts(), secret = token();
  var missing = !names.length ? 'host' : !secret ? 'token' : '';
  // A button that is disabled would lose the focus.
  if ($('form').getAttribute('aria-busy') === 'true') { return; }
  $('host').setAttribute('aria-invalid', String(missing === 'host'));
  $('token').setAttribute('aria-invalid', String(missing === 'token'));
  if (missing) {
    show($('reply'), [note('warn', missing === 'host' ? 'Type your host name first' : 'Type your token first', [
      'You get host name and token from whoever runs this gateway.'])]);
    $(missing).focus();
    return;
  }
  var user = names.length === 1 ? names[0] : 'nic53', credentials;
  try { credentials = btoa(user + ':' + secret); } catch (error) {
    show($('reply'), [note('warn', 'That has letters which no host name and no token has', ['Paste both again.'])]);
    return;
  }
  setBusy(true);
  show($('reply'), [make('p', 'note quiet', ['Asking the gateway…'])]);
  ask(gateway.url + '/nic/update?hostname=' + encodeURIComponent(names.join(',')) + (looking ? '&myip=no' : ''), {
    Authorization: 'Basic ' + credentials
  }, function (status, text) {
    setBusy(false);
    show($('reply'), answers(looking, names, status, text));
  });
}

function setBusy(busy) {
  ['look', 'move'].forEach(function (id) { $(id).setAttribute('aria-disabled', String(busy)); });
  $('form').setAttribute('aria-busy', String(busy));
}

// A note for each line of the reply.
function answers(looking, names, status, text) {
  if (status === 0) {
    return [note('bad', 'The gateway does not answer', ['Check your connection, then try again.'])];
  }
  if (status === 403) {
    return [note('bad', 'The gateway takes this page for one of another site', ['A proxy in front of it must pass the Host header on. Tell the operator.'])];
  }
  var lines = text.split('\n');
  if (!lines.every(function (line) { return meaning(line.split(' ')[0]); })) { return [somethingElse(status)]; }
  return lines.map(function (line, index) {
    var words = line.split(' '), addresses = words[1] ? words[1].split(',') : [];
    var host = lines.length === names.length ? names[index] : names.join(', ');
    if (words[0] === 'good' || words[0] === 'nochg') {
      return looking ? looked(host, addresses) : moved(host, words[0], addresses);
    }
    return refused(names.length > 1 ? host : '', words[0]);
  });
}

function refused(host, code) {
  var about = meaning(code), length = token().length, paragraphs = [about.advice];
  if (code === 'badauth') {
    paragraphs.push('This page sends your host name as the user name, so look at the token. It fits its own name alone'
      + (length === 24 ? '.' : ', and has 24 letters and digits. Yours has ' + length + '.'));
  }
  return note('bad', (host ? host + ': ' : '') + about.says, paragraphs.concat('The gateway’s word for it: `' + code + '`'));
}

function moved(host, code, addresses) {
  var to = addresses.join(' and ');
  return code === 'good'
    ? note('good', host + ' now leads to ' + to, ['Others see it within a minute or two. The token works. Next, let your router do this by itself: see below.'])
    : note('good', host + ' leads to ' + to + ' already', ['Nothing had to be changed. The token works.']);
}

// Compares what DNS has with my addresses.
function looked(host, addresses) {
  if (!addresses.length) {
    return note('warn', host + ' has no address yet', ['The token works. Set up your router below, or point the name here with the button.']);
  }
  var has = 'It leads to `' + addresses.join('` and `') + '`. ';
  var verdicts = addresses.map(compare);
  if (verdicts.indexOf('differs') >= 0) {
    return note('warn', host + ' leads somewhere else', [has + 'You are at `' + here().join('` and `') + '`.',
      'Either your router has not reported its address yet, or you are not at home: on mobile data, on a VPN or in another network. The token works.']);
  }
  if (verdicts.indexOf('mine') >= 0) {
    return note('good', host + ' leads here', [has + 'That is your address. The token works.', 'Once your router reports its address by itself, nothing is left to do.']);
  }
  if (verdicts.indexOf('neighbour') >= 0) {
    return note('good', host + ' leads into your network', [has + 'It begins as your own address does, so it is another device in your network. The token works.']);
  }
  return note('warn', 'The token works; where ' + host + ' leads cannot be compared from here', [has
    + (here().some(isPrivate) || !here().length ? 'The gateway does not see the address that the internet sees of you.' : 'The gateway sees you by the other kind of address only.')]);
}

function here() { return [mine.IPv4, mine.IPv6].filter(function (address) { return address; }); }

// How an address in DNS is related to mine of its family.
function compare(address) {
  var own = mine[familyOf(address)];
  if (address === own) { return 'mine'; }
  if (!own || isPrivate(own)) { return 'unknown'; }
  return familyOf(address) === 'IPv6' && networkOf(address) === networkOf(own) ? 'neighbour' : 'differs';
}

// The button says what it does.
function updateMove() {
  $('move').textContent = 'Point it to ' + (seen || 'my address');
}
