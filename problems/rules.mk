# The instructor's targets. This file is not in the public tree, and the Makefile does without it there.
.PHONY: problems grade release test-problems
FRAME = $(BIN)/python -m problems.frame

problems: env ## student versions and autograders of the problem sets
	@$(FRAME) build

grade: env ## grade a folder: make grade SUBMISSIONS=folder [SET=name] [ROSTER=gradebook.csv] [JOBS=2]
	@test -n "$(SUBMISSIONS)" || { echo "Say which folder: make grade SUBMISSIONS=folder"; exit 1; }
	@$(FRAME) grade "$(SUBMISSIONS)" $(if $(SET),--set $(SET)) $(if $(ROSTER),--roster "$(ROSTER)") $(if $(JOBS),--jobs $(JOBS))

release: env site ## the public tree in _build/release, scanned for solutions and secrets
	@$(FRAME) release

test-problems: env ## every problem set for 20 students, every planted error, every hostile submission
	RMTLAB_STUDENTS=20 $(BIN)/python -m pytest -n auto --dist loadgroup tests/problems
