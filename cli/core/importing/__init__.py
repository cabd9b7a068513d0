"""A MetalLB setup, of any age, read object by object: what is the same here, what is written anew, what differs, what has no place."""
