"""`tillgate sim outage`: an outage that is practised, in a shop of its own with money that is nobody's.

`script` says what fails when, `staff` sells meanwhile, `watch` looks at the page, `proofs` compares the books at the
end, `rehearsal` puts them together, `telling` says what happens, and `commands` is what is typed.
"""
