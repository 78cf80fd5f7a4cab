"""The codecs that `make bench-codec` compares, each in a process of its own that speaks one line protocol.

A request is a line of words, answered by one line: `ok`, what was asked for, or `cannot <why>`.

    version                                                                                              -> <words>
    field <profile> <number> <content> <encoding> <length> <prefix> <digits> <counts> <pad> <nibble>     -> ok
    encode <profile> <mti> <number>=<value> ...                                                          -> <wire>
    decode <profile> <wire>                                                                              -> <values>
    add <group> <profile> <mti> <number>=<value> ...                                                     -> ok
    time <operation> <group> <count>                                                                     -> <ns>

`field` is a row of our table (see `iso8583.table.Field`), number 0 for the MTI and 1 for each bitmap, prefix `-` for a
fixed field. Wires and values are in hexadecimal; a value is its text in UTF-8, or the bytes of a b field. Track 2 has
the separator D. The values of `decode` are the MTI and then number=value, as `encode` takes them. `add` makes a message
part of a group; `time` runs an operation on the messages of a group in rotation, `count` of them in all, and answers
how many nanoseconds that took.
"""
