"""The paper of mdplab: built from the results of runs, with no number typed by hand."""
