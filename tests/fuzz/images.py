def run(count, seed):
    raise NotImplementedError
