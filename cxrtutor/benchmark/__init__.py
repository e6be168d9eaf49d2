"""Methods against tasks: experiments that were run once and are read by the chapters."""
