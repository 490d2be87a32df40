"""What must never be run, and what must never be read."""

HOSTILE = """<script>alert(1)</script><img src=x onerror="alert(2)">' ${7*7} {{7*7}} [b](c)"""
SECRET = "the secret that no visitor may read"
