// The gateway: where it is, and how it is asked.

// The gateway's URL is this page's own, without the page's name at its end.
var gateway = (function () {
  var https = location.protocol === 'https:';
  return {
    https: https,
    scheme: https ? 'https' : 'http',
    host: location.hostname.replace(/^\[|\]$/g, ''),
    port: location.port || (https ? '443' : '80'),
    ownPort: !location.port,
    server: location.host,
    prefix: location.pathname.replace(/\/{2,}/g, '/').replace(/\/$/, '').replace(/\/ui$/, '')
  };
})();
gateway.url = gateway.scheme + '://' + gateway.server + gateway.prefix;

// How long an answer may take, in milliseconds. The gateway gives up after 9 seconds.
var PATIENCE = 30000;

// Asks a URL, and calls `then` with status and text; with status 0 if there is no answer. The browser adds no
// credentials, asks for none and keeps none.
function ask(url, headers, then) {
  var open = true;
  function end(status, text) {
    if (open) { open = false; then(status, text); }
  }
  setTimeout(function () { end(0, ''); }, PATIENCE);
  fetch(url, {
    credentials: 'omit', cache: 'no-store', redirect: 'error', referrerPolicy: 'no-referrer', headers: headers
  }).then(function (response) {
    return response.text().then(function (text) { end(response.status, text); });
  })['catch'](function () { end(0, ''); });
}

function canAsk() { return typeof window.fetch === 'function'; }

// Whether only this machine can reach a host.
function isLoopback(host) { return /^(localhost$|127\.|::1$)/.test(host); }
