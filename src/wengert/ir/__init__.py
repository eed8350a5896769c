"""The intermediate representation: nodes, types, operations, text form, verifier and interpreter."""
