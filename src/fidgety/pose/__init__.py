"""What was seen: skeletons, poses, formats, films, estimators, and what can be assessed."""
