"""Pure parts of the lab: plan, rules, slices, objects, catalog."""
