"""Why a Service is reachable, or why not: facts in `case` and `sayings`, one module for each part of the chain, `chain` joins them.

The deciding functions of controller and speaker give every verdict; here they are only asked in order and put into words.
"""
