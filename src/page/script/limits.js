// What a client cannot do: src/cli/setup/limits.rs does the same for `nic53 setup`, and tests/browser compares how many
// warnings there are. The keys of a recipe are in src/recipes/README.md; a limit that it has not is `undefined`, which
// nothing is larger than.

// Characters that break some client.
var BREAKING = ':@/?#&=+%,\'"\\$`<>';

// Why a client cannot be set up for a host, if it cannot. What would be pasted for `*` could remove another host's file.
function breaking(recipe, hosts) {
  return hosts.filter(function (host) { return firstOf(recipe.refuses, host); }).map(function (host) {
    return recipe.title + ' fails on the `' + firstOf(recipe.refuses, host) + '` of `' + host + '`. Choose another client, or a host name without it.';
  });
}

function warnings(recipe, accounts, found) {
  var it = recipe.title, https = recipe.https, said = [];
  function warn(applies, text) { if (applies) { said.push(text); } }
  function fit(what, text, most) {
    warn(text.length > most, it + ' takes ' + most + ' characters as ' + what + ', and `' + text + '` has ' + text.length + '.');
  }
  warn(recipe.warning, recipe.warning);
  if (gateway.https) {
    warn(https === 'no', it + ' cannot do https. Ask whoever runs the gateway for an http:// address. Your token then travels unencrypted.');
    warn(https && https !== 'no' && https !== 'always', it + ' can do https ' + https + '.');
  } else {
    warn(https === 'always', it + ' always uses https, and you opened this page by http://. Open it by https:// and look here again.');
    warn(!isLoopback(gateway.host), 'Over http:// everyone in between can read your token. Use https:// unless ' + it + ' cannot.');
  }
  fit('server', gateway.server, recipe.server);
  warn(recipe.port && !gateway.ownPort, it + ' has no field for a port, and this gateway has port ' + gateway.port + '.');
  warn(recipe.path && gateway.prefix, it + ' asks for `/nic/update` only, and this gateway’s path begins with `' + gateway.prefix + '`.');
  warn(recipe.address && isPrivate(gateway.host), it + ' reports the address that the gateway sees, and here that is a private one. The gateway answers `dnserr`, unless its operator allows private addresses.');
  warn(accounts.length > recipe.hosts, it + ' takes ' + recipe.hosts + ' host name(s), and you typed ' + accounts.length + '.');
  accounts.forEach(function (account) {
    var host = account.host, token = account.token, letter = firstOf(BREAKING + recipe.refuses, token);
    warn(account.user !== host, it + ' does not take `' + host + '` as a user name. Type `' + account.user + '` there: the gateway looks at the token and the host name alone.');
    fit('host name', host, recipe.host);
    warn(token.length > recipe.token, it + ' takes ' + recipe.token + ' characters as a password, and your token has ' + token.length + '.');
    warn(letter, 'Your token has the character ' + letter + ' in it. Tokens of nic53 are 24 letters and digits: was something else pasted?');
  });
  fit('a URL', found.map(function (part) { return part.paste ? part.text : ''; }).join(' ').split(/\s+/).filter(function (word) {
    return word.indexOf('/nic/update') >= 0;
  }).sort(function (one, other) { return other.length - one.length; })[0] || '', recipe.url);
  return said;
}
