"""How predictions are judged against a ground truth, by one protocol (docs/evaluation.md): numpy only, no predictor.

`ground_truth` chooses the objects that are judged and says where a person would click on them, `clicks` where one would
correct, `metrics` how good masks are. Training and the benchmark both judge by it; pixels of labels are (y, x).
"""
