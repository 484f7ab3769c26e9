"""Pages of HTML that need nothing but themselves: what all reports share."""
