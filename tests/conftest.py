"""Where pytest looks for `gateway` from every folder of tests."""
