// What a client cannot do: src/cli/setup/limits.rs does the same for `nic53 setup`, and tests/browser compares how many
// warnings there are.

// Characters that break some client.
var BREAKING = ':@/?#&=+%,\'"\\$`<>';

function warnings(recipe, accounts, found) {
  var said = recipe.warning ? [recipe.warning] : [];
  [ofScheme(recipe), ofServer(recipe), ofAddress(recipe), ofHosts(recipe, accounts)].forEach(function (some) {
    said = said.concat(some);
  });
  accounts.forEach(function (account) { said = said.concat(ofAccount(recipe, account)); });
  return said.concat(ofLength(recipe, found));
}

function ofScheme(recipe) {
  var https = recipe.limits.https, said = [];
  if (https === 'no' && gateway.https) {
    said.push(recipe.title + ' cannot do https. Ask whoever runs the gateway for an http:// address. Your token then travels unencrypted.');
  } else if (https === 'always' && !gateway.https) {
    said.push(recipe.title + ' always uses https, and you opened this page by http://. Open it by https:// and look here again.');
  } else if (https && https !== 'no' && https !== 'always' && gateway.https) {
    said.push(recipe.title + ' can do https ' + https + '.');
  }
  if (!gateway.https && !isLoopback(gateway.host)) {
    said.push('Over http:// everyone in between can read your token. Use https:// unless ' + recipe.title + ' cannot.');
  }
  return said;
}

function ofServer(recipe) {
  var limits = recipe.limits, said = [];
  if (limits.server && gateway.server.length > limits.server) {
    said.push(tooLong(recipe, 'server', gateway.server, limits.server));
  }
  if (limits.no_port && !gateway.ownPort) {
    said.push(recipe.title + ' has no field for a port, and this gateway has port ' + gateway.port + '.');
  }
  if (limits.no_path && gateway.prefix) {
    said.push(recipe.title + ' asks for `/nic/update` only, and this gateway’s path begins with `' + gateway.prefix + '`.');
  }
  return said;
}

function ofAddress(recipe) {
  return recipe.address_is_seen && isPrivate(gateway.host)
    ? [recipe.title + ' reports the address that the gateway sees, and here that is a private one. The gateway answers `dnserr`, unless its operator allows private addresses.'] : [];
}

function ofHosts(recipe, accounts) {
  var most = recipe.limits.hosts;
  return most && accounts.length > most
    ? [recipe.title + ' takes ' + most + (most === 1 ? ' host name' : ' host names') + ', and you typed ' + accounts.length + '.'] : [];
}

function ofAccount(recipe, account) {
  var limits = recipe.limits, said = [], letter;
  if (account.user !== account.host) {
    said.push(recipe.title + ' does not take `' + account.host + '` as a user name'
      + (limits.user ? ' (at most ' + limits.user + ' characters)' : '')
      + '. Type `' + account.user + '` there: the gateway looks at the token and the host name alone.');
  }
  if (limits.host && account.host.length > limits.host) {
    said.push(tooLong(recipe, 'host name', account.host, limits.host));
  }
  if (limits.token && account.token.length > limits.token) {
    said.push(recipe.title + ' takes ' + limits.token + ' characters as a password, and your token has ' + account.token.length + '.');
  }
  letter = firstOf(limits.refuses || '', account.host);
  if (letter) { said.push(recipe.title + ' fails on the `' + letter + '` of `' + account.host + '`.'); }
  letter = firstOf(BREAKING + (limits.refuses || ''), account.token);
  if (letter) {
    said.push('Your token has the character ' + letter + ' in it. Tokens of nic53 are 24 letters and digits: was something else pasted?');
  }
  return said;
}

function ofLength(recipe, found) {
  var most = recipe.limits.url, longest = 0;
  found.forEach(function (part) {
    (part.paste ? part.text.split(/\s+/) : []).forEach(function (word) {
      if (word.indexOf('/nic/update') >= 0) { longest = Math.max(longest, word.length); }
    });
  });
  return most && longest > most
    ? [recipe.title + ' takes ' + most + ' characters as a URL, and this one has ' + longest + '.'] : [];
}

function tooLong(recipe, what, text, most) {
  return recipe.title + ' takes ' + most + ' characters as ' + what + ', and `' + text + '` has ' + text.length + '.';
}
