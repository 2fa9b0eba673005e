"""Approvals through the channels that ask people: Slack, email, the page behind a link."""
