"""What the API promises under load, on a real system: `make proofs`; in a shorter form part of `make test`."""
