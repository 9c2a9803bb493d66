"""What every problem set shares: building, judging, the sandbox, grading, and the public release."""
