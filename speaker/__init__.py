"""The speaker: one per node, makes addresses known over BGP (through FRR) and layer 2 (ARP and NDP)."""
