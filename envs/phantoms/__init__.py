"""What the made-up studies of `envs/tasks` share: seeds, backgrounds, and lesions with an exact truth.

The rule of all of them: what is asked for is not in the first view. It is held in detail finer than its pixels
(`lesions`), in greys that its window cuts off, in planes or frames that it does not show, or in what the file knows and
the picture does not: its scale, and which way the patient lies.
"""
