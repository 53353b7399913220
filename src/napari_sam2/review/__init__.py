"""Where a person should look: places in doubt, worst first, found from document and masks; and a random sample of all.

`queue` keeps what was found and looks again only at what changed. `courses` says what an object is on each frame,
`masks_alone` and `steps` what is unlike before, `ends` how tracks begin, end and divide, `crowds` who lies over whom
and what was left out; `fixes` what may be done about it. `ground` is what a decision was made on, `error_rate` states
how many of a kind are wrong.
Nothing here changes a document, knows a model, an image or a file.
"""
