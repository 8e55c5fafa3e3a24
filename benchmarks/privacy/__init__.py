"""The comparison of recipes by accuracy and by what their models reveal."""
