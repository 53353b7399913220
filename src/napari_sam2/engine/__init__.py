"""The model at work: jobs, the thread that they run on, and the predictor brought to a document by difference.

Neither undo nor locks nor files are known here; torch is imported on the lane, at the first job.
"""
