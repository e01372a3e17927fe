"""How good meters are: watched for a while or read out of the store, graded, with what would make them better."""
