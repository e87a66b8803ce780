"""What drives the robot: algorithms, training, evaluation, storage, adaptation."""
