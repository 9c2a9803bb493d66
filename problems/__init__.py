"""Problem sets with solutions and their grading: the instructor's. Nothing here belongs in the public tree."""
