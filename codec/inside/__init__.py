"""Looking inside a stream: its bits, regions of interest, samples of the prior, the entropy ladder."""
