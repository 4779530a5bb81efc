"""Systems of learned compression before this codec, small enough to be trained on two cores, each in one module.

rnn-2018          recurrent networks that send 32 bits for every 16×16 pixels again and again
importance-2018   an autoencoder that learns where to spend channels, with a context model in three dimensions
attention-2021    residual blocks with GDN and attention, trained for three measures at once

Each module reads as its paper's figure: network, quantiser, entropy model, `compress`, `decompress`.
"""
