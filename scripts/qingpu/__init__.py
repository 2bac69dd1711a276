"""How the reference layers of Qingpu (青浦) are built: zones, drawn layers, the register."""
