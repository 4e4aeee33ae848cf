// Keeps a page of the console as it stands at the hub. Without it, a page is read again by the browser.
'use strict';
(function () {
  var place = document.querySelector('[data-live]');
  if (!place) return;
  var topic = place.getAttribute('data-live');
  var seen = null, source = null, reading = false;

  function write(figures) {
    document.querySelectorAll('[data-figure]').forEach(function (cell) {
      var value = figures[cell.getAttribute('data-figure')];
      if (value !== undefined && cell.textContent !== value) cell.textContent = value;
    });
  }

  // The page itself is asked for again, and takes the place of the one before, unless somebody is about to press something in it.
  function read(mark) {
    if (reading || place.contains(document.activeElement)) return;
    reading = true;
    fetch(location.href, { credentials: 'same-origin', headers: { accept: 'text/html' } })
      .then(function (answer) {
        if (!answer.ok || answer.redirected) throw new Error('ended');
        return answer.text();
      })
      .then(function (text) {
        var fresh = new DOMParser().parseFromString(text, 'text/html').querySelector('[data-live]');
        if (!fresh) throw new Error('ended');
        place.replaceWith(fresh);
        place = fresh;
        seen = mark;
      })
      .catch(function () { location.reload(); })
      .finally(function () { reading = false; });
  }

  function hear(event) {
    var told = JSON.parse(event.data);
    if (topic === 'overview') write(told.figures);
    var mark = told.marks[topic];
    // Between the page and the stream something may have changed, and of a list it is not seen what.
    if (seen === null && topic === 'overview') seen = mark;
    else if (mark !== seen) read(mark);
  }

  function open() {
    if (source || document.hidden) return;
    source = new EventSource('/live');
    source.addEventListener('state', hear);
    source.addEventListener('ended', function () { close(); location.reload(); });
    source.onerror = function () {
      // A browser comes back by itself to a stream that broke; one that was refused is asked for again, later.
      if (source && source.readyState === EventSource.CLOSED) { close(); setTimeout(open, 15000); }
    };
  }

  function close() {
    if (source) source.close();
    source = null;
  }

  document.addEventListener('visibilitychange', function () { if (document.hidden) close(); else open(); });
  window.addEventListener('pagehide', close);
  open();
})();
