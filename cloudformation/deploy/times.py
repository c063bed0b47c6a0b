"""Times of the AWS CLI."""

from datetime import datetime, timezone


def parse_time(given):
    """A time of the AWS CLI: version 1 prints seconds, version 2 ISO 8601."""
    if isinstance(given, (int, float)):
        return datetime.fromtimestamp(given, timezone.utc)
    return datetime.fromisoformat(given.replace("Z", "+00:00"))
