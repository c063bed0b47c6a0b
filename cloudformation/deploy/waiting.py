"""Waiting for what the publisher does, with progress that can be seen."""

import os
import time

# Seconds between two looks at the table, and after how many without progress the log is named.
LOOK, HINT = 5, 300
# Tests wait for less than a settled function takes.
SETTLE = "NIC53_DEPLOY_SETTLE"


class Progress:
    """Prints what has changed, with the seconds since the waiting began."""

    def __init__(self, hint):
        self.hint = hint
        self.started = self.changed = time.monotonic()
        self.said = None

    def say(self, text):
        """Print the text if it is news. If nothing was news for long, print what to look at."""
        now = time.monotonic()
        if text != self.said:
            self.said, self.changed = text, now
            print(f"{now - self.started:5.0f}s  {text}", flush=True)
        elif now - self.changed > HINT:
            self.changed = now
            print(f"{now - self.started:5.0f}s  no progress for {HINT // 60} minutes: {self.hint}", flush=True)


def settle(seconds):
    """Wait until a function that was changed has no old instance any more."""
    seconds = float(os.environ.get(SETTLE, seconds))
    if seconds:
        print(f"\nwaiting {seconds:.0f} s, until no old instance answers any more", flush=True)
    time.sleep(seconds)


def await_pass(table, zones, hint):
    """Wait until each zone was compared with the table, by a pass that begins after this was called."""
    progress = Progress(hint)
    left = dict(zones)
    for zone_id in zones.values():
        table.ask_for_pass(zone_id)
    while True:
        places = []
        for name, zone_id in list(left.items()):
            place, ended = table.pass_of(zone_id)
            if ended:
                del left[name]
            else:
                places.append(f"{name} at {place}" if place else name)
        done = len(zones) - len(left)
        progress.say(f"compared {done} of {len(zones)} zones{': ' + ', '.join(places[:3]) if places else ''}")
        if not left:
            return
        time.sleep(pause())


def await_drained(table, zones, hint):
    """Wait until no host of the zones is pending."""
    progress = Progress(hint)
    while True:
        pending = sum(map(table.count_pending, zones.values()))
        progress.say(f"pending: {pending}")
        if not pending:
            return
        time.sleep(pause())


def pause():
    """Seconds between two looks."""
    return min(LOOK, float(os.environ.get(SETTLE, LOOK)) or 0.2)
