// Your address: the one that the gateway sees and, if it has a name for each family, the other one too.

// My addresses by family, as far as they are known.
var mine = { IPv4: '', IPv6: '' };

// The one that this connection comes from, which an update without an address sets.
var seen = '';

function familyOf(address) { return address.indexOf(':') < 0 ? 'IPv4' : 'IPv6'; }

// Whether an address is one that the internet does not route to: src/protocol/address.rs has the ranges.
function isPrivate(address) {
  if (address === 'localhost') { return true; }
  if (/^[0-9.]+$/.test(address)) {
    return /^(0|10|127|169\.254|192\.168|192\.0\.0|198\.1[89]|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])|172\.(1[6-9]|2\d|3[01])|22[4-9]|2[345]\d)\./.test(address);
  }
  return address.indexOf(':') >= 0 && !/^[23][0-9a-f]{3}:/i.test(address);
}

// The first half of an IPv6 address, which all devices of one network share.
function networkOf(address) {
  var halves = address.split('::'), groups = halves[0].split(':'), behind = (halves[1] || '').split(':');
  while (halves.length > 1 && groups.length + behind.length < 8) { groups.push('0'); }
  return groups.concat(behind).slice(0, 4).join(':');
}

function showAddresses() {
  var elements = [];
  ['IPv4', 'IPv6'].forEach(function (family) {
    if (mine[family]) {
      elements.push(make('p', 'address', [mine[family]]), make('p', 'hint', [aboutAddress(family)]));
    }
  });
  var missing = !mine.IPv6 ? 'IPv6' : !mine.IPv4 ? 'IPv4' : '';
  if (missing && !isPrivate(mine.IPv4 || mine.IPv6)) {
    elements.push(make('p', 'hint', [familyNames()
      ? 'You have no ' + missing + ' address, or it cannot reach this gateway.'
      : 'You came by ' + (missing === 'IPv4' ? 'IPv6' : 'IPv4') + '. If you have an ' + missing + ' address too, this page cannot see it.']));
  }
  show($('addresses'), elements);
  updateMove();
}

function aboutAddress(family) {
  if (isLoopback(mine[family])) {
    return family + '. The gateway runs on this very machine, and does not see the address that the internet sees.';
  }
  if (isPrivate(mine[family])) {
    return family + ', an address within your own network, where this gateway is too. It does not see the address that the internet sees.';
  }
  return family + (family === 'IPv4'
    ? '. At home all your devices share it, and your name should lead here. On mobile data or a VPN it is not your home’s.'
    : '. It belongs to this device alone. Your router and your other devices have their own, with the same beginning.');
}

// The name that has one for each family, if the operator made those and this page came under it.
function familyNames() {
  var name = document.querySelector('meta[name=family-names]').getAttribute('content');
  return gateway.https && gateway.server === name ? name : '';
}

// Keeps an address that was answered; returns whether it was one.
function takeAddress(status, text) {
  var isAddress = status === 200 && /^[0-9a-f.:]{3,45}$/i.test(text);
  if (isAddress) { mine[familyOf(text)] = text; }
  return isAddress;
}

function askAddresses() {
  if (!canAsk()) {
    show($('addresses'), [make('p', '', ['This browser is too old to ask for it here. ']),
      make('p', '', [link(gateway.url + '/ip')])]);
    return;
  }
  show($('addresses'), [make('p', 'quiet', ['Asking the gateway…'])]);
  ask(gateway.url + '/ip', {}, function (status, text) {
    if (takeAddress(status, text)) {
      seen = text;
      showAddresses();
    } else {
      show($('addresses'), [noAddress(status, text)]);
    }
    if (familyNames()) { askFamilies(); }
  });
}

function link(url) {
  var made = make('a', '', [url]);
  made.href = url;
  return made;
}

function askFamilies() {
  ['ipv4.', 'ipv6.'].forEach(function (family) {
    ask('https://' + family + familyNames() + gateway.prefix + '/ip', {}, function (status, text) {
      if (takeAddress(status, text)) { showAddresses(); }
    });
  });
}

function noAddress(status, text) {
  if (status === 0) {
    return note('bad', 'The gateway does not answer', ['Check your connection, then open this page again.']);
  }
  if (text === '911') {
    return note('warn', 'The gateway cannot see where you come from', ['Tell its operator: a proxy in front of it is not set up, or not trusted.']);
  }
  return somethingElse(status);
}

// An answer that is none of the gateway's.
function somethingElse(status) {
  return note('bad', 'Something else answered', ['The answer (status ' + status + ') is not one of this gateway’s. A proxy, a firewall or a login page is between you and the gateway. Tell its operator if you see this at home.']);
}
