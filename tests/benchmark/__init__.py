"""Who is right, tricheck or the checkers that people use today?"""
