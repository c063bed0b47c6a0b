// What the page does when it is opened, and when somebody types or presses something.

$('server').textContent = 'at ' + gateway.server;
$('plain').hidden = gateway.https || isLoopback(gateway.host);
$('look').hidden = $('move').hidden = !canAsk();
$('too-old').hidden = canAsk();
$('form').onsubmit = function (event) {
  event.preventDefault();
  update(true);
};
$('move').onclick = function () { update(false); };
$('reveal').onclick = function () {
  var reveal = $('token').type === 'password';
  $('token').type = reveal ? 'text' : 'password';
  $('reveal').textContent = reveal ? 'Hide' : 'Show';
  $('reveal').setAttribute('aria-pressed', String(reveal));
};
$('host').oninput = $('token').oninput = showRecipe;
$('search').oninput = showClients;
showClients();
// `/ui#fritzbox` shows that recipe, also if the link is followed while the page is open.
window.onhashchange = function () {
  recipes.forEach(function (recipe) {
    if ('#' + recipe.name === location.hash) { choose(recipe, false); }
  });
};
window.onhashchange();
askAddresses();
