"""How much the client costs, next to the official SDK, raw HTTP clients and a bare socket: ``python -m benchmarks``.

Not part of the distribution. ``docs/performance.md`` says how it is measured and what came out.
"""
