"""What `frr-adapter plan` foretells, held against what a running lab then does. Used by `test_plan_reality` only."""
