"""What each place of the page draws last, by its name in the address; how its tab is found; what axe-core is asked."""

SIGNS = {
    "one": "#figures tbody tr:nth-child(2)",
    "decoders": "#decoder-figures tbody tr:nth-child(5)",
    "open": "#stream-upload",
    "lesson": "#step-picture-1 img.under:not([hidden])",
    "digits": "#digit-plane .js-plotly-plot",
    "all": "#history-curves .js-plotly-plot",
    "rnn": "#rnn-said tbody tr:nth-child(3)",
    "importance": "#importance-channels img",
    "attention": "#attention-maps img",
    "cae": "#cae-curves .js-plotly-plot",
    "curves": "#curves",
    "map": "#along-lambda img",
    "region": "#code-region",
    "channels": "#channel-histogram .js-plotly-plot",
    "ladder": "#ladder-2017 .rung",
    "sampling": "#drawn img",
    "between": "#draw-strip",
    "corrupt": "#break",
    "vote": "#vote-intro a",
    "about": "#method table",
}
TAB = "[role=tab][data-tab-id='{}'] >> visible=true"
GRAVE = ("serious", "critical")
#: In the dark only colours differ.
OPTIONS = {"light": None, "dark": {"runOnly": ["color-contrast"]}}
