"""The private fields of the UnionPay POS network: how each is cut into parts, and as a value with names.

`iso8583.unionpay` hands out the values; `iso8583.dialects.unionpay_pos` takes the parts for its rows.
"""
