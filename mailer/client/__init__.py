"""The Python clients.

`Mailer` (mailer.client.blocking) and `AsyncMailer` (mailer.client.coroutine) speak HTTP: `calls` says what is asked and
how the answer is read, `trial` when it is asked again, and both are without I/O, so that the two clients are thin.
`send_email`, the client through the broker, is in mailer.client.task.
"""
