"""The composition root: command line, local stack, topics, player, audit, deployment files.

Everything may be imported from here; nothing imports this package (import-linter holds it).
"""
