"""What goes on in each layer while it learns (``monitor``), and what it means (``rules``); ``monitor`` alone needs torch."""
