"""The parts of the application, one router each."""
