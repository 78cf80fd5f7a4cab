"""What `tillgate iso` is made of: reading messages from whatever holds them, and telling people about them.

`iso8583.commands` puts these together. Nothing here is imported by the codec.
"""
