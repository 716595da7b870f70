"""What everything else is made of: reports, decisions, events, ranking, keyed randomness, clocks and errors.

Nothing here knows a file, a process, a network or torch.
"""
