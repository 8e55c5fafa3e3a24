"""How it is trained: data, augmentation, loss, schedule, the loop, and the three networks of a region."""
