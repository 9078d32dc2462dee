"""The peer: an email as most applications send it from Celery. No claim, no attempt, no second provider."""

from __future__ import annotations

import os

import celery
import requests

app = celery.Celery("plain", broker=os.environ["CELERY_BROKER_URL"])
app.conf.update(
    task_ignore_result=True,
    # Celery's own default is early: a killed worker then loses what it held, where late it sends it twice.
    task_acks_late=os.environ.get("PLAIN_ACKS") != "early",
    worker_pool="threads",
    worker_concurrency=int(os.environ["MAILER_CONCURRENCY"]),
    worker_prefetch_multiplier=1,
    task_default_queue="plain",
)
session = requests.Session()


@app.task
def send_plain(to: str) -> None:
    """Post one mail to SendGrid."""
    payload = {
        "personalizations": [{"to": [{"email": to}]}],
        "from": {"email": "a@example.com"},
        "subject": "bench",
        "content": [{"type": "text/plain", "value": "x" * 500}],
    }
    key = {"Authorization": f"Bearer {os.environ['SENDGRID_API_KEY']}"}
    url = os.environ["MAILER_SENDGRID_URL"] + "/v3/mail/send"
    session.post(url, json=payload, headers=key, timeout=(5, 30)).raise_for_status()
